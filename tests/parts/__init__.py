"""The real parts of the tests: brokers, a mail sink and their fixtures.

Each part binds to loopback on a free port, keeps its data in a folder of its own, and is ended by its process id.
`tests.parts.fixtures` hands them to tests, `tests.parts.install` gets them onto the machine.
"""
