"""From a spec to files for other tools. Pure: nothing here touches a process, a socket, or a file outside the package."""
