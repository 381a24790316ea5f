// Reads words, numbers and bytes off a text; every fault becomes a FormatError "path:line: ...".
// Independent of the locale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mtpot {

class Scanner {
public:
    // Both must outlive the scanner.
    Scanner(std::string_view text, const std::string& path) : text_(text), path_(path) {}

    // Position of the next character that is not white space.
    std::size_t position();
    std::size_t remaining() const { return text_.size() - position_; }
    bool at_end() { return position() == text_.size(); }

    // The next run of letters, digits and "_.+-#", which may be empty; next_word leaves it unread.
    std::string_view next_word();
    std::string_view word();
    // Reads exactly this text, or fails.
    void expect(std::string_view expected);
    // Reads this text if it comes next.
    bool accept(std::string_view expected);
    // The rest of the line without white space at its ends.
    std::string rest_of_line();

    // A finite number.
    double number();
    // An integer from `lowest` to `highest`; `what` names it in the message.
    std::int64_t integer(std::int64_t lowest, std::int64_t highest, std::string_view what);
    // A count of things that take at least `bytes_each` bytes in the rest of the text.
    int count(std::string_view what, std::size_t bytes_each);

    // The next bytes as they are, from the current character on.
    std::string_view bytes(std::size_t size);

    // FormatError at the next character, or at the line of an earlier position.
    [[noreturn]] void fail(const std::string& what) { fail_at(position(), what); }
    [[noreturn]] void fail_at(std::size_t position, const std::string& what) const;

private:
    std::string next_in_quotes();

    std::string_view text_;
    const std::string& path_;
    std::size_t position_ = 0;
};

// Text in quotes for a message: printable ASCII, at most 40 characters.
std::string in_quotes(std::string_view text);

}  // namespace mtpot
