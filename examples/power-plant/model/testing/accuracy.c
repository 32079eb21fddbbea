/* SPDX-License-Identifier: Apache-2.0 */
/* Compares plantmath with the host's long double libm; prints the worst error of each function. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../plantmath.h"

/* In units of the last place of the exact result, a double. */
static double ulps(double got, long double exact)
{
    double nearest = (double)exact;
    double ulp = nextafter(fabs(nearest), INFINITY) - fabs(nearest);

    return (double)(fabsl(got - exact) / ulp);
}

int main(void)
{
    double sine = 0, cosine = 0, angle = 0, root = 0;

    srand48(1);
    for (int i = 0; i < 2000000; i++) {
        /* around multiples of PI/4 as well, where most digits cancel */
        double range = i % 3 == 0 ? 4 : i % 3 == 1 ? 1000 : 1e5;
        double x = (2 * drand48() - 1) * range;
        if (i % 5 == 0)
            x = rint(x) * (PI / 4) * (1 + (drand48() - 0.5) * 1e-12);
        if (fabs(x) > 1e5)
            continue;
        sine = fmax(sine, ulps(plant_sin(x), sinl(x)));
        cosine = fmax(cosine, ulps(plant_cos(x), cosl(x)));
        double y = 2 * drand48() - 1, z = 2 * drand48() - 1;
        angle = fmax(angle, (double)fabsl(plant_atan2(y, z) - atan2l(y, z)));
        root = fmax(root, ulps(plant_sqrt(fabs(x)), sqrtl(fabsl(x))));
    }
    printf("%.4f %.4f %.3g %.4f\n", sine, cosine, angle, root);
    return 0;
}
