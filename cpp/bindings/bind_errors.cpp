#include "bindings.hpp"

namespace mtpot::bindings {
namespace {

void raise(const char* name, const char* message) {
    const py::object type = py::module_::import("mtpot.errors").attr(name);
    PyErr_SetString(type.ptr(), message);
}

void translate(std::exception_ptr pointer) {
    try {
        if (pointer) std::rethrow_exception(pointer);
    } catch (const FormatError& error) {
        raise("FormatError", error.what());
    } catch (const InputError& error) {
        raise("InputError", error.what());
    } catch (const NumericalError& error) {
        raise("NumericalError", error.what());
    } catch (const Error& error) {
        raise("MtpotError", error.what());
    }
}

}  // namespace

void bind_errors(py::module_&) {
    py::register_exception_translator(translate);
}

}  // namespace mtpot::bindings
