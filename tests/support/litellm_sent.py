"""What LiteLLM sends to models, as its own callback sees it."""

from __future__ import annotations

from typing import Any

from automem_agents_litellm._litellm import litellm


class Sent:
    """Notes the messages of every call; ``stop`` when done."""

    def __init__(self) -> None:
        sent = self.messages = list[list[dict[str, Any]]]()
        litellm()
        from litellm.integrations.custom_logger import CustomLogger

        class Recorder(CustomLogger):  # a plain function is only called if it was the first callback of the process
            def log_pre_api_call(self, model: str, messages: list[dict[str, Any]], kwargs: dict[str, Any]) -> None:
                sent.append(messages)

        litellm().input_callback = [Recorder()]

    def stop(self) -> None:
        """Note no more."""
        litellm().input_callback = []
