#include "mtpot/image_lists.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "mtpot/error.hpp"

namespace mtpot {
namespace {

using Shift = std::array<std::int32_t, 3>;
constexpr Shift home{0, 0, 0};

// Both directions of every pair: use(center, owner of the neighbor, its shift).
template <class Use>
void for_each_entry(std::span<const std::int64_t> pairs, std::span<const std::int32_t> shifts,
                    Use&& use) {
    for (std::size_t k = 0; 2 * k < pairs.size(); ++k) {
        const std::int32_t* s = shifts.data() + 3 * k;
        use(pairs[2 * k], pairs[2 * k + 1], Shift{s[0], s[1], s[2]});
        use(pairs[2 * k + 1], pairs[2 * k], Shift{-s[0], -s[1], -s[2]});
    }
}

void check_pairs(std::size_t atom_count, std::span<const std::int64_t> pairs,
                 std::span<const std::int32_t> shifts) {
    constexpr auto lowest = std::numeric_limits<std::int32_t>::min();
    require(pairs.size() % 2 == 0 && 3 * pairs.size() == 2 * shifts.size(),
            "pairs and shifts must describe the same number of pairs");
    bool known = true, reversible = true;
    for (const auto atom : pairs) known &= atom >= 0 && static_cast<std::size_t>(atom) < atom_count;
    for (const auto shift : shifts) reversible &= shift != lowest;
    require(known, "a pair names none of the atoms");
    require(reversible, "a shift is too large");
}

}  // namespace

// The images that lists name: those of atom i stand in [first[i], first[i + 1]), sorted.
struct ImageLists::Images {
    std::vector<std::size_t> first;
    std::vector<Shift> shifts;

    Images(std::size_t atoms, std::span<const std::int64_t> pairs,
           std::span<const std::int32_t> all)
        : first(atoms + 1, 0) {
        for_each_entry(pairs, all, [&](auto, auto owner, const Shift& shift) {
            if (shift != home) ++first[owner + 1];
        });
        std::partial_sum(first.begin(), first.end(), first.begin());
        shifts.resize(first.back());
        std::vector<std::size_t> next(first.begin(), first.end() - 1);
        for_each_entry(pairs, all, [&](auto, auto owner, const Shift& shift) {
            if (shift != home) shifts[next[owner]++] = shift;
        });
        keep_each_once();
    }

    std::size_t find(std::size_t owner, const Shift& shift) const {
        const auto begin = shifts.begin() + first[owner], end = shifts.begin() + first[owner + 1];
        return static_cast<std::size_t>(std::lower_bound(begin, end, shift) - shifts.begin());
    }

private:
    void keep_each_once() {
        auto kept = shifts.begin();
        for (std::size_t i = 0; i + 1 < first.size(); ++i) {
            const auto begin = shifts.begin() + first[i], end = shifts.begin() + first[i + 1];
            std::sort(begin, end);
            first[i] = static_cast<std::size_t>(kept - shifts.begin());
            const auto last = std::unique(begin, end);
            for (auto shift = begin; shift != last; ++shift) *kept++ = *shift;
        }
        first.back() = static_cast<std::size_t>(kept - shifts.begin());
        shifts.erase(kept, shifts.end());
    }
};

ImageLists::ImageLists(std::size_t atom_count, std::span<const std::int64_t> pairs,
                       std::span<const std::int32_t> shifts)
    : centers_(atom_count), counts_(atom_count, 0), first_(atom_count) {
    check_pairs(atom_count, pairs, shifts);
    const Images images(atom_count, pairs, shifts);
    require(atom_count + images.shifts.size() <= std::numeric_limits<std::int32_t>::max(),
            "too many atoms and images");
    std::iota(centers_.begin(), centers_.end(), 0);
    number_ghosts(images);
    fill_lists(images, pairs, shifts);
}

void ImageLists::number_ghosts(const Images& images) {
    for (std::size_t i = 0; i < atom_count(); ++i)
        owners_.insert(owners_.end(), images.first[i + 1] - images.first[i],
                       static_cast<std::int32_t>(i));
    shifts_.reserve(3 * owners_.size());
    for (const Shift& shift : images.shifts)
        shifts_.insert(shifts_.end(), shift.begin(), shift.end());
}

void ImageLists::fill_lists(const Images& images, std::span<const std::int64_t> pairs,
                            std::span<const std::int32_t> shifts) {
    for (const auto atom : pairs) ++counts_[atom];
    neighbors_.resize(pairs.size());
    std::vector<int*> next(atom_count());
    int* place = neighbors_.data();
    for (std::size_t i = 0; i < atom_count(); place += counts_[i++]) first_[i] = next[i] = place;
    for_each_entry(pairs, shifts, [&](auto center, auto owner, const Shift& shift) {
        const bool own = shift == home;
        const std::size_t neighbor = own ? owner : atom_count() + images.find(owner, shift);
        *next[center]++ = static_cast<int>(neighbor);
    });
    for (std::size_t i = 0; i < atom_count(); ++i) std::sort(next[i] - counts_[i], next[i]);
}

void ImageLists::fold(std::span<double> values) const {
    require(values.size() == 3 * (atom_count() + ghost_count()),
            "every atom and ghost needs a vector");
    const double* ghost = values.data() + 3 * atom_count();
    for (const auto owner : owners_)
        for (int d = 0; d < 3; ++d) values[3 * static_cast<std::size_t>(owner) + d] += *ghost++;
}

}  // namespace mtpot
