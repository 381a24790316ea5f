// The inverse of an active set as the kernels multiply rows with it.
#pragma once

#include <cstddef>
#include <vector>

#include "mtpot/maxvol.hpp"

namespace mtpot {

// A^-1, row-major, its rows padded with zeros to whole tiles.
class GradeMatrix {
public:
    static constexpr std::size_t tile = 12;

    explicit GradeMatrix(const ActiveSet& active_set)
        : size_(active_set.size()),
          stride_((size_ + tile - 1) / tile * tile),
          values_(size_ * stride_, 0.0) {
        for (std::size_t i = 0; i < size_; ++i)
            for (std::size_t k = 0; k < size_; ++k)
                values_[k * stride_ + i] = active_set.inverse_transposed()[i * size_ + k];
    }

    std::size_t size() const { return size_; }
    std::size_t stride() const { return stride_; }
    const double* values() const { return values_.data(); }

private:
    std::size_t size_, stride_;
    std::vector<double> values_;
};

}  // namespace mtpot
