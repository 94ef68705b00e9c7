"""PostgreSQL, RabbitMQ and a one-node Slurm on loopback, as the tests marked `services` start, break and stop them."""
