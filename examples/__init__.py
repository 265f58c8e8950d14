"""Examples that run as they are: pipelines with their data, and checks of what they give."""
