"""What reports show of the families of the package besides what their specs say: a module each."""
