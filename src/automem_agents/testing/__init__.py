"""Public, deterministic fakes for tests of programs that use this package."""

from automem_agents.testing.fakes import FailingEmbedder, FakeClock, HashEmbedder, SlowEmbedder

__all__ = ["FailingEmbedder", "FakeClock", "HashEmbedder", "SlowEmbedder"]
