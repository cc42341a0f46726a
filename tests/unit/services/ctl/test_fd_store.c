/* fd_store - what is kept, under which name and in which order, and that nothing leaks. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd_store.h"
#include "view.h"

#define STEPS_MAX 8
#define NONE      '.'

/* A notice with descriptors, each a letter: the same letter twice is the same open file, sent again. */
struct step {
    const char *text, *fds;
};

static const struct script {
    const char *name;
    const char *own; /* NULL: the service has no listener */
    struct step steps[STEPS_MAX];
    const char *kept; /* "letter=name ..." as the next start gets them */
} SCRIPTS[] = {
    {"nothing", NULL, {{"READY=1", ""}}, ""},
    {"the listener is first", "L", {{"FDSTORE=1\nFDNAME=a", "A"}}, "L=own A=a "},
    {"the order of keeping",
     NULL,
     {{"FDSTORE=1\nFDNAME=z", "AB"}, {"FDNAME=y\nFDSTORE=1\nFDPOLL=0", "C"}, {"FDSTORE=1\nFDNAME=z", "D"}},
     "A=z B=z C=y D=z "},
    {"no name, or none that can be passed on",
     NULL,
     {{"FDSTORE=1", "A"},
      {"FDSTORE=1\nFDNAME=", "B"},
      {"FDSTORE=1\nFDNAME=a:b", "C"},
      {"FDSTORE=1\nFDNAME=\x7f", "D"},
      {"FDSTORE=1\nFDNAME=a\tb", "E"},
      {"FDSTORE=1\nFDNAME=1234567890123456789012345678901234567890123456789012345678901234", "F"}},
     "A=stored B=stored C=stored D=stored E=stored F=stored "},
    {"the longest name",
     NULL,
     {{"FDSTORE=1\nFDNAME=123456789012345678901234567890123456789012345678901234567890123", "A"}},
     "A=123456789012345678901234567890123456789012345678901234567890123 "},
    {"twice is once, whatever the name",
     "K",
     {{"FDSTORE=1\nFDNAME=a", "AAC"}, {"FDSTORE=1\nFDNAME=a", "A"}, {"FDSTORE=1\nFDNAME=c", "KCE"}},
     "K=own A=a C=a E=c "},
    {"all of a name are removed",
     "L",
     {{"FDSTORE=1\nFDNAME=a", "AB"},
      {"FDSTORE=1\nFDNAME=b", "C"},
      {"FDSTORE=1\nFDNAME=a", "D"},
      {"FDSTOREREMOVE=1\nFDNAME=a", ""}},
     "L=own C=b "},
    {"what was removed can come again",
     NULL,
     {{"FDSTORE=1\nFDNAME=a", "AB"}, {"FDSTOREREMOVE=1\nFDNAME=a", ""}, {"FDSTORE=1\nFDNAME=a", "A"}},
     "A=a "},
    {"replaced in one message",
     NULL,
     {{"FDSTORE=1\nFDNAME=a", "A"}, {"FDSTOREREMOVE=1\nFDSTORE=1\nFDNAME=a", "B"}},
     "B=a "},
    {"nothing is removed without a name, or by another one",
     "L",
     {{"FDSTORE=1", "A"},
      {"FDSTOREREMOVE=1", ""},
      {"FDSTOREREMOVE=1\nFDNAME=", ""},
      {"FDSTOREREMOVE=1\nFDNAME=own", ""},
      {"FDSTOREREMOVE=1\nFDNAME=store", ""},
      {"FDNAME=stored", ""}},
     "L=own A=stored "},
    {"not asked to keep",
     NULL,
     {{"READY=1\nFDNAME=a", "A"}, {"FDSTORE=0\nFDNAME=a", "B"}, {"FDSTOREREMOVE=1\nFDNAME=a", "C"}, {"", "D"}},
     ""},
};

/* What the letters stand for: A, C, E ... sockets, which every kernel knows when it sees them twice, and between them
 * what looks alike. */
static void open_letters(int letters[26])
{
    for (int i = 0; i < 26; i++) {
        letters[i] = i % 2 == 0 ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : eventfd(0, EFD_CLOEXEC);
        assert_true(letters[i] >= 0);
    }
}

static int count_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int copy_of(int fd)
{
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    assert_true(copy >= 0);
    return copy;
}

/* A flag that belongs to the open file, not to the descriptor, tells which it is. */
static char letter_of(int fd, const int letters[26])
{
    char found = NONE;

    for (int i = 0; i < 26; i++)
        fcntl(letters[i], F_SETFL, 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 26; i++) {
        if ((fcntl(letters[i], F_GETFL) & O_NONBLOCK) != 0)
            found = (char)('A' + i);
    }
    return found;
}

static void describe(const struct fd_store *store, const int letters[26], char *dst, size_t room)
{
    size_t used = 0;

    dst[0] = '\0';
    for (size_t i = 0; i < store->fds.count; i++)
        used += (size_t)snprintf(dst + used, room - used, "%c=%s ", letter_of(store->fds.items[i].fd, letters),
                                 store->fds.items[i].name);
}

static void play(const struct script *script, const int letters[26])
{
    struct fd_store store = {0};
    char kept[512];
    int before = count_descriptors();

    if (script->own != NULL) {
        int fd = copy_of(letters[script->own[0] - 'A']);

        fd_store_add_own(&store, &fd, "own");
        assert_int_equal(fd, -1);
    }
    for (size_t i = 0; i < STEPS_MAX && script->steps[i].text != NULL; i++) {
        const char *wanted = script->steps[i].fds;
        int fds[8];

        for (size_t j = 0; wanted[j] != '\0'; j++)
            fds[j] = copy_of(letters[wanted[j] - 'A']);
        if (!fd_store_hear(&store, script->steps[i].text, fds, strlen(wanted)))
            fail_msg("%s: step %zu: no room", script->name, i);
    }
    describe(&store, letters, kept, sizeof kept);
    if (strcmp(kept, script->kept) != 0)
        fail_msg("%s: kept %s", script->name, kept);
    if (count_descriptors() != before + (int)store.fds.count)
        fail_msg("%s: %d descriptors for %zu", script->name, count_descriptors() - before, store.fds.count);
    fd_store_clear(&store);
    assert_int_equal(store.fds.count, script->own != NULL);
    fd_store_done(&store);
    if (count_descriptors() != before)
        fail_msg("%s: descriptors leaked", script->name);
}

static void test_scripts(void **state)
{
    int letters[26];

    (void)state;
    open_letters(letters);
    for (size_t i = 0; i < ARRAY_LEN(SCRIPTS); i++)
        play(&SCRIPTS[i], letters);
    for (int i = 0; i < 26; i++)
        close(letters[i]);
}

static void test_there_is_an_end_of_room(void **state)
{
    struct fd_store store = {0};
    int before = count_descriptors(), own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int fds[SVC_FDS_MAX + 5];

    (void)state;
    fd_store_add_own(&store, &own, "own");
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd_store_hear(&store, "FDSTORE=1", fds, SVC_FDS_MAX - 1));
    assert_int_equal(store.fds.count, SVC_FDS_MAX);
    assert_int_equal(count_descriptors(), before + SVC_FDS_MAX + 6);

    fds[0] = copy_of(store.fds.items[SVC_FDS_MAX - 1].fd); /* one that is there needs no room */
    assert_true(fd_store_hear(&store, "FDSTORE=1", fds, 1));
    assert_false(fd_store_hear(&store, "FDSTORE=1", &fds[SVC_FDS_MAX - 1], 2)); /* told once */
    assert_true(fd_store_hear(&store, "FDSTORE=1", &fds[SVC_FDS_MAX + 1], 4));
    assert_int_equal(store.fds.count, SVC_FDS_MAX);
    assert_int_equal(count_descriptors(), before + SVC_FDS_MAX);
    fd_store_done(&store);
    assert_int_equal(count_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_there_is_an_end_of_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
