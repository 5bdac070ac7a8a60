"""These modules hold no tests, and some need libraries that `pytest bench` does without."""

collect_ignore_glob = ["*.py"]
