// Errors that the engine throws. Each message says what is wrong, where, and how to mend it.
#pragma once

#include <stdexcept>
#include <string>

namespace mtpot {

class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// An argument that the caller can correct.
class InputError : public Error {
public:
    using Error::Error;
};

// A file whose content does not follow its format; the message starts with "path:line: ".
class FormatError : public Error {
public:
    using Error::Error;
};

// A calculation that has no finite result.
class NumericalError : public Error {
public:
    using Error::Error;
};

// For checks outside hot loops: the message is made whether it is needed or not.
inline void require(bool condition, const std::string& message) {
    if (!condition) throw InputError(message);
}
inline void require(bool condition, const char* message) {
    if (!condition) throw InputError(message);
}

}  // namespace mtpot
