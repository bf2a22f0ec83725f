"""The same cluster on Kubernetes, by KubeRay: RayService, RayCluster or RayJob, and what stands beside them."""
