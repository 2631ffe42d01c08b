#include <string>

namespace kitchen {

class Kettle {
public:
    explicit Kettle(int degrees);
    bool boils() const { return degrees_ >= 100; }

private:
    int degrees_;
};

template <typename T>
T pour(const T& kettle, int cups) {
    return kettle;
}

Kettle::Kettle(int degrees) : degrees_(degrees) {}

}  // namespace kitchen

template <typename Liquid, int Cups>
class Pot : public Kettle {
public:
    template <class Other>
    void into(Other& other) { other.fill(Cups); }
    template <typename T> T all();
};
