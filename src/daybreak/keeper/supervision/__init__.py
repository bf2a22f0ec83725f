"""Where the end of a process is noticed, and its ill health: who follows what runs, and when it is restarted."""
