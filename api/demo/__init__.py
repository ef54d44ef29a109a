"""The demonstration: real series that ship with the project or with an optional package, loaded over HTTP."""
