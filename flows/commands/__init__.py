"""The commands, a module for each noun. They import what they need when they run, so that help is instant."""
