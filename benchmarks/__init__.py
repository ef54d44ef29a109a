"""The same work on finlake, on a floor below it and on a peer beside it, in one run."""
