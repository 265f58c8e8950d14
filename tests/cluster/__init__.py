"""A Kubernetes control plane for tests, and a node that runs pods as processes."""
