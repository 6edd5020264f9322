"""One recipe per file: the settings of a training and the task that the loop runs."""
