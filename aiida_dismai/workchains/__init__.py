"""The workflows, one file each; their protocols lie in ``protocols/`` as YAML."""
