"""What the chooser of updates is fitted on."""
