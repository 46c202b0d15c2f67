# The lists of status.h for Python: a constant each, and their sentences.

cdef dict read_list(const l2o_status* rows, int n):
    """Make every row a constant of this module; return the sentences by number."""
    cdef dict messages = {}
    cdef int i
    for i in range(n):
        globals()[rows[i].name.decode()] = rows[i].number
        messages[rows[i].number] = rows[i].message.decode()
    return messages


MESSAGES = read_list(l2o_statuses, N_STATUSES)
TESTS = read_list(l2o_tests, N_TESTS)
