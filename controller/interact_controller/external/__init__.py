"""External runs: work that leaves the cluster, one job each, driven by ExternalRun resources."""
