# The list of status.h for Python: a constant each, and their sentences.

cdef dict read_statuses():
    """Make every status a constant of this module; return the sentences by number."""
    cdef dict messages = {}
    cdef int i
    for i in range(N_STATUSES):
        globals()[l2o_statuses[i].name.decode()] = l2o_statuses[i].number
        messages[l2o_statuses[i].number] = l2o_statuses[i].message.decode()
    return messages


MESSAGES = read_statuses()
