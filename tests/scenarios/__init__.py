"""Whole scenarios: the controller as a process, a real API server, NATS, pods as processes."""
