/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inmate: results go into its section of shared memory, then "did NAME" to the console.
 * Command line: function=INDEX count=N
 */
#include "functions.h"
#include "inmate.h"

void inmate_main(void)
{
    static struct ivshmem link;
    const char *name;

    if (!ivshmem_open(&link, 0)) {
        printf("There is no shared-memory device\n");
        return;
    }
    name = evaluate_function((unsigned)cmdline_integer("function", 0), ivshmem_output(&link, link.id),
                             (uint64_t)cmdline_integer("count", 1));
    if (name)
        printf("did %s\n", name);
    else
        printf("none\n");
}
