"""Hosts: what runs the pure processors, embedded on the SQLite log or under Faust on Kafka."""
