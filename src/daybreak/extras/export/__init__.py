"""From a spec to files for other tools. Pure: it touches no process, no socket and no a file outside the package."""
