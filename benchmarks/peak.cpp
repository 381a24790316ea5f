// Peak rate of multiply-adds of one core: prints GFLOP/s in double and in single precision.
//
// WIDTH is the size of a vector register in bytes. Twelve chains depend on nothing but themselves:
// two units of a latency of four cycles need eight, and twelve with two constants fit into sixteen
// registers. Factors come from the command line, so that nothing is known before the program runs,
// and all sums are used, so that nothing can be left out.
#include <chrono>
#include <cstdio>
#include <cstdlib>

constexpr int chains = 12;
constexpr long steps = 10'000'000;
constexpr int repetitions = 5;

template <class Scalar>
double rate(double factor, double summand) {
    typedef Scalar Vector __attribute__((vector_size(WIDTH)));
    constexpr int lanes = WIDTH / sizeof(Scalar);
    const Vector a = Vector{} + static_cast<Scalar>(factor);
    const Vector b = Vector{} + static_cast<Scalar>(summand);
    double best = 0.0, total = 0.0;
    for (int repetition = 0; repetition < repetitions; ++repetition) {
        Vector sums[chains];
        for (int chain = 0; chain < chains; ++chain) sums[chain] = Vector{} + Scalar(chain);
        const auto start = std::chrono::steady_clock::now();
        for (long step = 0; step < steps; ++step)
            for (int chain = 0; chain < chains; ++chain) sums[chain] = sums[chain] * a + b;
        const std::chrono::duration<double, std::nano> time =
            std::chrono::steady_clock::now() - start;
        for (const Vector& sum : sums) total += sum[0];
        const double reached = 2.0 * steps * chains * lanes / time.count();
        best = reached > best ? reached : best;
    }
    return total == 0.0 ? 0.0 : best;
}

int main(int, char** arguments) {
    const double factor = std::atof(arguments[1]), summand = std::atof(arguments[2]);
    std::printf("%.2f %.2f\n", rate<double>(factor, summand), rate<float>(factor, summand));
}
