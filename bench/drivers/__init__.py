"""Programs that use a cluster and time themselves: `python PROGRAM OUT.json` writes `{"took_s": seconds}`."""
