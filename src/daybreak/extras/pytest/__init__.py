"""A plugin for pytest: tests of Ray applications on a cluster that is there already."""
