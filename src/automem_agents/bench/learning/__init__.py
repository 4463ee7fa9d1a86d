"""Does memory recall more the longer it is used? Questions asked in order, each scored before its feedback."""
