# Native methods as Python holds them.
cimport cython


@cython.final
@cython.auto_pickle(False)
cdef class DescentMethod:
    """A native method with its settings; the module of each method makes them."""

    def __init__(self):
        raise TypeError("a method is made by its own module: lbfgs.method(10)")


cdef DescentMethod bound(const descent_method* method, const void* settings, size_t size):
    cdef DescentMethod made = DescentMethod.__new__(DescentMethod)
    made.method, made.kept = method, (<const char*> settings)[:size]
    made.settings = <const void*> <const char*> made.kept
    return made
