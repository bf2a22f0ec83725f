"""Where a cluster's services run: processes, or containers of an engine that may be away for a while."""
