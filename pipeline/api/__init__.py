"""The REST API: routes over what is stored, in the shapes that the description gives them.

A route parses, calls one function and shapes the answer; `errors` turns what goes wrong into a status, `guards` keeps
strangers out. Whatever a route computes belongs below, where the command line finds it too.
"""
