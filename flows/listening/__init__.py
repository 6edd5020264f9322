"""The listening test as people meet it: the making of a set, the page and its server, the report."""
