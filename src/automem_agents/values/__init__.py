"""Value models: what an action is worth, predicted from its features."""
