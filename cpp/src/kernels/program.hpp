// Runs the straight line of sums that pair couplings were compiled to.
#pragma once

#include "compiled.hpp"
#include "kernels/vec.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr int unrolled = 15;  // terms of a sum whose number is known to the compiler

// Where a run reads its indices and coefficients from.
struct ProgramCursor {
    const int* index;
    const Real* coefficient;
};

template <int Terms>
inline void linear_run(int outputs, Vec* v, ProgramCursor& at) {
    const int* index = at.index;
    const Real* c = at.coefficient;
    for (int o = 0; o < outputs; ++o) {
        Vec sum{};
        MTPOT_UNROLL
        for (int t = 0; t < Terms; ++t) sum += c[t] * v[index[1 + t]];
        v[index[0]] = sum;
        index += Terms + 1;
        c += Terms;
    }
    at = {index, c};
}

inline void long_linear_run(const Run& run, Vec* v, ProgramCursor& at) {
    for (int o = 0; o < run.outputs; ++o) {
        Vec sum{}, other{};
        int t = 0;
        for (; t + 1 < run.size; t += 2) {
            sum += at.coefficient[t] * v[at.index[1 + t]];
            other += at.coefficient[t + 1] * v[at.index[2 + t]];
        }
        if (t < run.size) sum += at.coefficient[t] * v[at.index[1 + t]];
        v[at.index[0]] = sum + other;
        at.index += run.size + 1;
        at.coefficient += run.size;
    }
}

inline void product_run(int outputs, Vec* v, ProgramCursor& at) {
    for (int o = 0; o < outputs; ++o, at.index += 3)
        v[at.index[0]] = v[at.index[1]] * v[at.index[2]];
}

template <int Terms>
inline void bilinear_run(int outputs, Vec* v, ProgramCursor& at) {
    const int* index = at.index;
    for (int o = 0; o < outputs; ++o) {
        Vec sum = v[index[0]];
        MTPOT_UNROLL
        for (int t = 0; t < Terms; ++t) sum += v[index[1 + 2 * t]] * v[index[2 + 2 * t]];
        v[index[0]] = sum;
        index += 2 * Terms + 1;
    }
    at.index = index;
}

inline void long_bilinear_run(const Run& run, Vec* v, ProgramCursor& at) {
    for (int o = 0; o < run.outputs; ++o) {
        Vec sum = v[at.index[0]];
        for (int t = 0; t < run.size; ++t) sum += v[at.index[1 + 2 * t]] * v[at.index[2 + 2 * t]];
        v[at.index[0]] = sum;
        at.index += 2 * run.size + 1;
    }
}

template <int Width>
inline void wide_run(int outputs, Vec* v, ProgramCursor& at) {
    const int* index = at.index;
    const Real* c = at.coefficient;
    for (int o = 0; o < outputs; ++o) {
        Vec* target = v + index[0];
        const int terms = index[1];
        Sums<Width> sums;
        for (int t = 0; t < terms; ++t) {
            const Vec* from = v + index[2 + t];
            const Vec factor = Vec{} + c[t];
            MTPOT_UNROLL
            for (int k = 0; k < Width; ++k) sums[k] += factor * from[k];
        }
        MTPOT_UNROLL
        for (int k = 0; k < Width; ++k) target[k] = sums[k];
        index += terms + 2;
        c += terms;
    }
    at = {index, c};
}

inline void execute(const std::vector<Run>& runs, Vec* v, ProgramCursor& at) {
    for (const Run& run : runs) {
        switch (run.kind) {
            case Run::Kind::linear:
                if (run.size > unrolled)
                    long_linear_run(run, v, at);
                else
                    with_number(run.size, [&]<int N>() { linear_run<N>(run.outputs, v, at); });
                break;
            case Run::Kind::products:
                product_run(run.outputs, v, at);
                break;
            case Run::Kind::bilinear:
                if (run.size > unrolled)
                    long_bilinear_run(run, v, at);
                else
                    with_number(run.size, [&]<int N>() { bilinear_run<N>(run.outputs, v, at); });
                break;
            case Run::Kind::wide:
                with_number(run.size, [&]<int N>() {
                    if constexpr (N > 0 && N <= widest_run) wide_run<N>(run.outputs, v, at);
                });
                break;
        }
    }
}

inline Vec product_sum(int count, const Vec* left, const Vec* right) {
    constexpr int chains = 4;  // side by side, for the time that an addition takes
    Sums<chains> sums;
    int k = 0;
    for (; k + chains <= count; k += chains) {
        MTPOT_UNROLL
        for (int q = 0; q < chains; ++q) sums[q] += left[k + q] * right[k + q];
    }
    for (; k < count; ++k) sums[0] += left[k] * right[k];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// Adds the energy that follows from the components, and leaves its derivatives in their adjoints
// if these are wanted.
inline void energy_and_adjoints(const Program& program, const Real* coefficients, Vec* values,
                                bool adjoints, Vec& energy) {
    ProgramCursor at{program.indices.data(), coefficients};
    execute(program.forward, values, at);
    const Vec* tensors = values + program.first_tensor();
    Vec* tensor_adjoints = values + program.first_adjoint();
    energy += Real(0.5) * product_sum(program.tensor_count, tensors, tensor_adjoints);
    for (const auto& [tensor, coefficient] : program.linear) {
        const auto c = static_cast<Real>(coefficient);
        energy += c * values[tensor];
        values[tensor + program.tensor_count] += c;
    }
    if (adjoints) execute(program.backward, values, at);
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA
