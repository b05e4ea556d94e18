#ifndef BASE_BARRIER_H
#define BASE_BARRIER_H

/*
 * Places at which a test can hold a thread, in builds with FB_BARRIERS alone (cmake
 * -DFB_BARRIERS=ON); in all others they are nothing.
 *
 * barrier(name): if the folder that FB_BARRIERS in the environment names has a file ${name}, make
 * ${name}.reached beside it and wait until the file is gone.
 */
#ifdef FB_BARRIERS
void barrier(const char *name);
#else
#define barrier(name) ((void)0)
#endif

#endif
