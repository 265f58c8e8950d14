"""Commands on a cluster: what people read and change of pipelines that run there."""
