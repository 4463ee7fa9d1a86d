"""One file for each system; an adapter imports its system when it is opened, so that cold starts count it."""
