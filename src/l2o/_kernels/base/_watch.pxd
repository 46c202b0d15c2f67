# What a loop of the kernels needs to end where Ctrl-C was pressed.
cdef enum:                                                     # of a flag
    QUIET = 0
    ASK = 1                                                    # a signal came
    STOP = 2

cdef bint ends(volatile int* flag) noexcept with gil           # asks Python, where a signal came


cdef inline bint stopped(volatile int* flag) noexcept nogil:
    return flag[0] != QUIET and (flag[0] == STOP or ends(flag))


cdef class Watch:
    cdef volatile int flag
    cdef volatile int* raised
    cdef object told
    cdef object outer
    cdef bint listens
    cdef public object error
