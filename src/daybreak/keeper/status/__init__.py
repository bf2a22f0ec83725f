"""The status of the cluster at one moment: what `status` tells, and the page."""
