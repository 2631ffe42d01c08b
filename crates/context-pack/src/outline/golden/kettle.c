#include <stdbool.h>

#define BOILING 100
#define HOT(degrees) ((degrees) >= BOILING)

typedef struct {
    int degrees;
} kettle_t;

enum state { COLD, STATE_HOT };

bool pour(kettle_t *kettle, int cups);

static int heat(kettle_t *kettle, int by)
{
    int before = kettle->degrees;
    kettle->degrees += by;
    return before;
}

#ifdef WHISTLE
void whistle(void) {
    pour(0, 1);
}
#endif
