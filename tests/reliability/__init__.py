"""The reliability tests of the storage design, by their numbers, and where each is.

1 kill loop: test_kill_loop, kill_loop
2 crash points: test_crash_points; passes and tags in tests/catalog/test_gc and test_tags
3 power loss: test_power_loss
4 torn files: test_torn_files; tests/catalog/test_snapshot and test_verify
5 fsync errors: test_fsync_errors; tests/catalog/test_files
6 disk full: test_disk_full; tests/catalog/test_broken_commits
7 stopped committer, stolen locks: test_stopped_committer; tests/catalog/test_expiry
8 shared tables, storms: test_storm; tests/catalog/test_commit
9 maintenance races: test_storm; tests/catalog/test_maintenance and test_merge_kinds
10 unknown outcome: test_unknown_outcome; tests/catalog
11 duplicate delivery: test_duplicate_delivery; tests/ingest/test_idempotency
12 pinned readers: test_pinned_readers; tests/catalog/test_expiry and test_gc
13 read your writes: test_read_your_writes; tests/cli/test_workers
14 clock jumps: test_clock_jumps; tests/catalog/test_expiry and test_travel

`make torture` runs the scenarios (kill_loop, scenarios) at random: see torture.
"""
