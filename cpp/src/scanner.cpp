#include "scanner.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "mtpot/error.hpp"

namespace mtpot {
namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           c == '.' || c == '+' || c == '-' || c == '#';
}

// from_chars takes no leading plus, other programs may write one.
std::string_view without_plus(std::string_view word) {
    const bool plus = word.size() > 1 && word[0] == '+' && word[1] != '-';
    return plus ? word.substr(1) : word;
}

// Whether the whole word is one number of this type.
template <typename T>
bool parse(std::string_view word, T& value) {
    const std::string_view digits = without_plus(word);
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, value);
    return !digits.empty() && error == std::errc{} && stop == end;
}

}  // namespace

std::string in_quotes(std::string_view text) {
    constexpr std::size_t longest = 40;
    std::string result = "'";
    for (char c : text.substr(0, longest)) result += c >= ' ' && c <= '~' ? c : '?';
    return result + (text.size() > longest ? "...'" : "'");
}

std::size_t Scanner::position() {
    while (position_ < text_.size() && is_space(text_[position_])) ++position_;
    return position_;
}

std::string_view Scanner::next_word() {
    const std::string_view rest = text_.substr(position());
    const auto end = std::find_if_not(rest.begin(), rest.end(), is_word);
    return rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
}

std::string_view Scanner::word() {
    const std::string_view result = next_word();
    position_ += result.size();
    return result;
}

bool Scanner::accept(std::string_view expected) {
    // A word is compared as a whole: "min_dist" is not the start of "min_distance".
    const bool found = is_word(expected[0]) ? next_word() == expected
                                            : text_.substr(position()).starts_with(expected);
    if (found) position_ += expected.size();
    return found;
}

void Scanner::expect(std::string_view expected) {
    if (!accept(expected)) fail("expected " + in_quotes(expected) + ", found " + next_in_quotes());
}

std::string Scanner::rest_of_line() {
    const std::string_view rest = text_.substr(position_);
    std::string_view line = rest.substr(0, rest.find('\n'));
    position_ += line.size();
    while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
    while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
    return std::string(line);
}

double Scanner::number() {
    double value = 0.0;
    if (!parse(next_word(), value) || !std::isfinite(value)) {
        fail("expected a finite number, found " + next_in_quotes());
    }
    word();
    return value;
}

std::int64_t Scanner::integer(std::int64_t lowest, std::int64_t highest, std::string_view what) {
    std::int64_t value = 0;
    if (!parse(next_word(), value) || value < lowest || value > highest) {
        fail(std::string(what) + " must be an integer from " + std::to_string(lowest) + " to " +
             std::to_string(highest) + ", found " + next_in_quotes());
    }
    word();
    return value;
}

int Scanner::count(std::string_view what, std::size_t bytes_each) {
    const std::size_t start = position();
    constexpr std::int64_t largest = std::numeric_limits<int>::max();
    const std::int64_t value = integer(0, largest, what);
    if (static_cast<std::size_t>(value) > remaining() / bytes_each) {
        fail_at(start, std::string(what) + " is " + std::to_string(value) +
                           ", more than the rest of the file can hold: is it cut short?");
    }
    return static_cast<int>(value);
}

std::string_view Scanner::bytes(std::size_t size) {
    if (size > remaining()) fail_at(position_, "the file is cut short inside its binary data");
    const std::string_view result = text_.substr(position_, size);
    position_ += size;
    return result;
}

void Scanner::fail_at(std::size_t position, const std::string& what) const {
    const auto start = text_.begin();
    const auto line = 1 + std::count(start, start + static_cast<std::ptrdiff_t>(position), '\n');
    throw FormatError(path_ + ":" + std::to_string(line) + ": " + what);
}

std::string Scanner::next_in_quotes() {
    if (at_end()) return "the end of the file: is it cut short?";
    const std::string_view next = next_word();
    return in_quotes(next.empty() ? text_.substr(position_, 1) : next);
}

}  // namespace mtpot
