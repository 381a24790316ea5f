// The energy and its derivatives as one straight line of sums over numbered values: compiled from
// pair couplings, run by the kernels.
#pragma once

#include <vector>

namespace mtpot {

constexpr int widest_run = 8;  // values that a wide sum holds in registers

// Several outputs that are computed alike. Their indices stand one after the other in
// Program::indices, coefficients likewise, in the order in which the runs use them.
struct Run {
    enum class Kind {
        linear,    // v[target] = sum of `size` terms c * v[i];       indices: target, i ...
        products,  // v[target] = v[i] * v[j];                        indices: target, i, j
        bilinear,  // v[target] += sum of `size` terms v[i] * v[j];   indices: target, i, j ...
        wide,      // v[target + k] = sum of terms c * v[i + k], k < size;
                   //                                                 indices: target, count, i ...
    };
    Kind kind;
    int size;
    int outputs;
};

// Values: components, their adjoints, tensors, their adjoints, scratch.
struct Program {
    int value_count = 0;
    int component_count = 0;
    int tensor_count = 0;
    std::vector<int> indices;
    std::vector<double> coefficients;
    std::vector<Run> forward;   // from the components to half the adjoints' scalar product
    std::vector<Run> backward;  // from the tensors' adjoints to those of the components

    struct Linear {
        int tensor;  // value
        double coefficient;
    };
    std::vector<Linear> linear;  // terms of the energy, and of the adjoints

    struct Invariant {  // sum of values[left + k] * values[right + k], k < width
        int left, right, width;
    };
    std::vector<Invariant> squares;  // of the form's, in its order

    int first_tensor() const { return 2 * component_count; }
    int first_adjoint() const { return 2 * component_count + tensor_count; }
};

}  // namespace mtpot
