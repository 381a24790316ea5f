// A stand-in for libFuzzer where the compiler has none: mutates seed files for a while.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

class Mutator {
public:
    explicit Mutator(std::vector<std::string> seeds) : seeds_(std::move(seeds)) {}

    std::string next() {
        std::string text = seeds_[below(seeds_.size())];
        for (std::size_t edits = 1 + below(4); edits > 0; --edits) edit(text);
        return text;
    }

private:
    std::size_t below(std::size_t bound) {
        return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
    }

    void edit(std::string& text) {
        const std::size_t start = below(text.size() + 1);
        const std::size_t length = std::min(text.size() - start, 1 + below(16));
        switch (below(6)) {
            case 0:
                text.replace(start, length, std::string(length, static_cast<char>(below(256))));
                break;
            case 1:
                text.erase(start, length);
                break;
            case 2:
                text.resize(start);
                break;
            case 3:
                text.insert(start, text.substr(below(text.size() + 1), length));
                break;
            case 4:
                text.insert(start, tokens[below(std::size(tokens))]);
                break;
            default:
                replace_number(text, start);
        }
    }

    // Puts a hostile number in place of the next one.
    void replace_number(std::string& text, std::size_t start) {
        const std::size_t first = text.find_first_of("0123456789", start);
        if (first == std::string::npos) return;
        const std::size_t last = text.find_first_not_of("0123456789", first);
        const std::size_t length = (last == std::string::npos ? text.size() : last) - first;
        text.replace(first, length, tokens[below(std::size(tokens))]);
    }

    static constexpr const char* tokens[] = {
        "0",          "1",   "-1", "2147483647", "4294967296", "18446744073709551616",
        "1e999",      "nan", "-0", "250",        "1e-320",     "{",
        "}",          ",",   "#",  "\r\n",       " = ",        "species ",
        "#mtpot core"};

    std::vector<std::string> seeds_;
    std::mt19937_64 random_{1};
};

std::string read(const char* path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::fprintf(stderr, "%s cannot be opened\n", path);
        std::exit(2);
    }
    return {std::istreambuf_iterator<char>(file), {}};
}

void run(const std::string& text) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: %s SECONDS SEED_FILES...\n", argv[0]);
        return 2;
    }
    std::vector<std::string> seeds;
    std::transform(argv + 2, argv + argc, std::back_inserter(seeds), read);
    std::for_each(seeds.begin(), seeds.end(), run);
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::duration<double>(std::atof(argv[1]));
    Mutator mutator(seeds);
    std::size_t count = 0;
    for (; std::chrono::steady_clock::now() < end; ++count) run(mutator.next());
    std::printf("%zu mutated files, no finding\n", count);
    return 0;
}
