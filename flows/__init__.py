"""The command line, the settings and the Prefect flows of nightcrate."""
